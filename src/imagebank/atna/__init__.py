"""The audit trail for an audit record repository (IHE ATNA): DICOM audit messages by syslog."""
