"""The verbs: one function for each thing a caller can want, with one commit, on its last lines.

Plain values go in and come out; a failure is a word of app.errors. No request is needed to call them.
"""
