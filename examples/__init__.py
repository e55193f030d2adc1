"""Reference trainers: five published models and two of other frameworks, fed from a store through
`FeatureDataset` alone."""
