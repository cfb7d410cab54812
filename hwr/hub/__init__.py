"""Files and commits on the Hugging Face Hub: pull, push, model card, Space."""
