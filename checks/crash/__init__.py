"""Why a run ended before its time."""
