"""Every sentence that a clinician reads, in English and Chinese."""
