# title: go
# what: 8 goroutines and channels, garbage collection, sha256, a nil pointer recovered
# image: go
hello
