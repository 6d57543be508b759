"""Template conversion: annotations become one-round visual task dialogue through pools of questions and answers."""
