"""The ground floor: settings, errors, vocabulary, the queue's names, logging. It imports no other package of ours."""
