"""The paper's protocol (section 3.4): Adam, epochs of a fixed number of samples, best validation weights kept."""
