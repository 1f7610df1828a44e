package stubs

/** The conditions of `post`. */
class Post {
    void always(Closure body) {
        body.call()
    }
}
