"""What may be said: personal data and words found in text, masked or refused.

Pure: text in, text out; it must not know JSON, calls or endpoints.  Everything here takes time that grows with the
text's length and no faster, whatever the text.
"""
