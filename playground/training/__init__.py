"""How an axis is made: pairs, the stages of each method, their guards, and the files of a run."""
