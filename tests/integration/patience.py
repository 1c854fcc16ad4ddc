# SPDX-License-Identifier: Apache-2.0
"""How long a test waits for what must come; far more than it takes."""

PATIENCE_S = 30
