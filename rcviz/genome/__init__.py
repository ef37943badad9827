"""From files of a genome to windows."""
