"""The pages of the console, one module each: from what a person may see to what a template draws."""
