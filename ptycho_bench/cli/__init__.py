"""The commands: compose a configuration, build, run, record. The only package that knows Hydra."""
