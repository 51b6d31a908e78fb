"""Cases and peers of the registration of volumes."""
