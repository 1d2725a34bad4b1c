"""Time: programs run on machines, cycle by cycle."""
