"""What every HTTP edge shares: sign-in, errors, multipart, ranges."""
