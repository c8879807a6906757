"""The bundled demo model, a small text-to-video model of moving shapes, and the words it knows."""
