"""What comes out of the planes on purpose: contents behind handles, answers about them, lowered and raised labels."""
