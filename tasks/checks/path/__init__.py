"""Bytes sent are bytes that crossed the switch."""
