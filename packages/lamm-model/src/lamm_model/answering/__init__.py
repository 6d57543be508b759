"""What chat, prediction, serving and evaluation share: load, prompt, decode."""
