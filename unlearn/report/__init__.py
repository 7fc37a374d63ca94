"""An erasure on one page of HTML that needs nothing else: what was erased, what it costs, how to do it again."""
