package stubs

import org.codehaus.groovy.ast.ClassNode
import org.codehaus.groovy.ast.CodeVisitorSupport
import org.codehaus.groovy.ast.MethodNode
import org.codehaus.groovy.ast.builder.AstBuilder
import org.codehaus.groovy.ast.expr.ClosureExpression
import org.codehaus.groovy.ast.expr.MethodCallExpression
import org.codehaus.groovy.ast.expr.TupleExpression
import org.codehaus.groovy.ast.expr.VariableExpression
import org.codehaus.groovy.control.CompilePhase

/**
 * Two rules of Pipeline that plain Groovy does not know, as far as source shows them: what is @NonCPS runs at once, so it
 * calls only what is @NonCPS too and uses no variable of the build; what is not gives closures to steps only.
 */
class Rules {
    static final Set<String> BUILD = ['env', 'currentBuild', 'params', 'scm', 'docker']
    static final Set<String> BLOCKS = ['withCredentials', 'withEnv', 'container', 'node', 'stage', 'timeout', 'retry']

    static List<String> broken(String source) {
        ClassNode script = new AstBuilder().buildFromString(CompilePhase.CONVERSION, false, source)
            .find { it instanceof ClassNode } as ClassNode
        List<MethodNode> methods = script.methods.findAll { it.lineNumber > 0 && !(it.name in ['main', 'run']) }
        Set<String> atOnce = methods.findAll { isNonCPS(it) }*.name as Set
        return methods.collectMany { isNonCPS(it) ? inNonCPS(it, atOnce) : inCPS(it) }
    }

    private static boolean isNonCPS(MethodNode method) {
        return method.annotations.any { it.classNode.nameWithoutPackage == 'NonCPS' }
    }

    private static List<String> inNonCPS(MethodNode method, Set<String> atOnce) {
        List<String> found = []
        method.code.visit(new CodeVisitorSupport() {
            @Override
            void visitMethodCallExpression(MethodCallExpression call) {
                if (call.implicitThis && !(call.methodAsString in atOnce)) {
                    found << "${method.name}: @NonCPS calls ${call.methodAsString}".toString()
                }
                super.visitMethodCallExpression(call)
            }

            @Override
            void visitVariableExpression(VariableExpression variable) {
                if (variable.name in BUILD || variable.name.startsWith('fluxbridge')) {
                    found << "${method.name}: @NonCPS uses ${variable.name}".toString()
                }
            }
        })
        return found
    }

    private static List<String> inCPS(MethodNode method) {
        List<String> found = []
        Set<ClosureExpression> ofSteps = [] as Set
        method.code.visit(new CodeVisitorSupport() {
            @Override
            void visitMethodCallExpression(MethodCallExpression call) {
                if (call.implicitThis && call.methodAsString in BLOCKS) {
                    ofSteps.addAll((call.arguments as TupleExpression).expressions.grep(ClosureExpression))
                }
                super.visitMethodCallExpression(call)
            }

            @Override
            void visitClosureExpression(ClosureExpression closure) {
                if (!(closure in ofSteps)) {
                    found << "${method.name}: a closure that is no step's, line ${closure.lineNumber}".toString()
                }
                super.visitClosureExpression(closure)
            }
        })
        return found
    }
}
