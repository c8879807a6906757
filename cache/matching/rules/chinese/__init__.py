"""The rules for Chinese: what a Chinese prompt pins, and how two differ in it. English: the folder above. Pure."""
