"""Measurements that the README's tables come from. Each module has ``run(quick) -> Table``; nobody types a number."""
