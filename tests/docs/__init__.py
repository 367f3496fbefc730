"""The documents are tested like code: what they show runs, what they link is there, what they must name is named."""
