"""An experiment on the switch: cells, repeats in random blocks, intervals, and its report."""
