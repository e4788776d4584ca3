"""Reports of benchmarks: tables, statistics and figures as Markdown, HTML, CSV and LaTeX."""
