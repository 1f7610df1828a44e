"""What people and programs are shown: every view beside its reader."""
