"""`python -m benchmarks`: the whole benchmark. See the package."""

from benchmarks.deliver import main

if __name__ == "__main__":
    main()
