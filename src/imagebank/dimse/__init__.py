"""The DIMSE edge (PS3.7, PS3.8): C-STORE, C-FIND, C-MOVE, C-GET, storage commitment."""
