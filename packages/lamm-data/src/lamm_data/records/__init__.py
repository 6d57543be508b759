"""The contracts on disk: instruction records, benchmark records, annotations, tasks."""
