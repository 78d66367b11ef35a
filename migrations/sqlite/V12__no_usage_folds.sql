-- Counts of use go from memory straight into their tables.
DROP TABLE usage_folds;
