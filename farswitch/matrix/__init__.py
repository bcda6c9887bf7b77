"""How much each guest sent to each: counted at the ports of the switch, whatever it is."""
