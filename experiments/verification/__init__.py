"""Physics cases with known answers: one file a case (build, run, compare), the scenes they share, and the report."""
