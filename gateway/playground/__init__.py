"""The page at `/`: type a prompt, see the clip, the verdict, and what was refused and why."""
