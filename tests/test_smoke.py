def test_import():
    import jaxsci, solvers
