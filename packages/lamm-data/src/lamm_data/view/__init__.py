"""One HTML file of instruction records as training will see them: media, boxes, dialogues, the loss mask by token."""
