"""The room of torch and diffusers: nothing outside it imports them. Only the render thread imports its files."""
