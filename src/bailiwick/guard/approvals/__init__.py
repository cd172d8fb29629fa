"""People are asked: requests, answers, edits, standing grants, and who may have a say. DESIGN §5 *Action*."""
