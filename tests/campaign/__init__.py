"""A campaign of bad options and files, flipped bits, kills, races and full disks; see docs/reliability.md."""
