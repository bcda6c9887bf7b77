"""The MTU holds on every hop, exactly."""
