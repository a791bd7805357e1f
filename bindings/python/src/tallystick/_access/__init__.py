"""Access tokens: what stands behind ``AuthSkill`` and ``Authority`` (protocol sections 2 to 8).

The core decides; the modules here read files, fetch, and hand requests over.
"""
