"""The admin pages, one file each."""
