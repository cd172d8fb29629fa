"""Work is handed on, and the scope of a task changes: delegation, tokens, narrowing and widening."""
