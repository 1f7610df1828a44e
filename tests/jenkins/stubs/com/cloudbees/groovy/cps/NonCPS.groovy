package com.cloudbees.groovy.cps

import java.lang.annotation.ElementType
import java.lang.annotation.Target

/** As in Jenkins: the method runs at once, and may call no step. */
@Target([ElementType.METHOD])
@interface NonCPS {
}
