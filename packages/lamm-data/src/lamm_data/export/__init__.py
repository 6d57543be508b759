"""Write instruction records in other tools' formats."""
