"""Ask a language model: journalled, limited, priced, batched."""
