"""FHIR R4: what of it is offered, each resource in its standard form."""
