"""Workers: who works, and what operators want of them."""
