"""What rules can never do, proved: two projects compared (`diff`), and standing properties (`properties`, `proving`).

Rules become terms of a solver (`encode` over `call`, `people` and `sets`; `smt` alone speaks z3, the extra `prove`),
and every example that the solver finds is put to Cedar (`witness`) before anybody sees it. What cannot be answered
needs review. docs/proofs.md; docs/adr/0008-proofs.md.
"""
