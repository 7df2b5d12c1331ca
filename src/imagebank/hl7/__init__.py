"""HL7 version 2 by MLLP: patients, orders and reports of other systems."""
