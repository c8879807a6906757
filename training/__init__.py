"""The training of the models that ship. Nothing here is installed or imported at run time."""
